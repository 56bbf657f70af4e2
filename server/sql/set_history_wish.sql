INSERT INTO settings (key, value)
SELECT 'tell_history', {wish:String}
