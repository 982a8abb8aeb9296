"""What an engine answers, as types: the Docker Engine API's bodies, noun by noun, with the fields that anything here reads.

Only type checkers read these modules: who imports them does so under ``TYPE_CHECKING``. A field may be missing in an answer of
another engine, so ``.get`` gives None and an index that fails says which field the engine left out (`answers.Answer`); Go writes
null for an empty list or map. `answers.decoded` checks the kinds where JSON arrives, by the field's name, and a test compares its
table with the types here.
"""
