-- Version 3: a version says which mailweir can work with it, so that nodes are brought up to date one after the other.

-- least: the oldest version that a mailweir must know to work with these tables; NULL: this one. A change that only adds
-- something leaves it where it was, and the nodes of the version before go on; what they need is taken away by a later
-- version, when none of them runs any more.
ALTER TABLE version ADD COLUMN least int;

INSERT INTO version (number) VALUES (3);
