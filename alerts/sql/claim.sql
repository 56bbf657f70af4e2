INSERT INTO alerts (alert, attempt, server, state, subject, problem)
