\set fruit apple
INSERT INTO fruit (name) VALUES (:'fruit'), ('pear');
