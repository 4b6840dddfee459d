CREATE ROLE keeper;
CREATE SCHEMA store;
ALTER DATABASE shop OWNER TO keeper;
ALTER DATABASE shop SET search_path TO "$user", public, store;
ALTER DATABASE shop SET shop.greeting = 'it''s green, and $1';
ALTER ROLE keeper IN DATABASE shop SET statement_timeout = '7s';
