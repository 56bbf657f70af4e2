SELECT network FROM networks FINAL WHERE NOT deleted
