SELECT count() FROM plans FINAL WHERE NOT deleted
