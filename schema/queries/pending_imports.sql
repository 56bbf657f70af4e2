SELECT count() FROM imports FINAL WHERE state IN ('loading', 'undoing')
