INSERT INTO share_links (link, deleted)
SELECT {link:String}, true
