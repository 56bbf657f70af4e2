INSERT INTO accounts (account, role, password, deleted)
SELECT {account:String}, {role:String}, {password:String}, {deleted:Bool}
