CREATE TABLE fruit (id serial PRIMARY KEY, name text UNIQUE);
