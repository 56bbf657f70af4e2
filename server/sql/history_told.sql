INSERT INTO settings (key, value)
SELECT 'tell_history', '' FROM settings FINAL
WHERE key = 'tell_history' AND NOT deleted AND value = {wish:String}
