INSERT INTO settings (key, value)
SELECT 'setup', {step:String}
