SELECT account, toString(role), password FROM accounts FINAL WHERE NOT deleted
