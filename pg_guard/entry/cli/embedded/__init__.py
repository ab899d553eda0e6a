"""SQL inside of other files. In: the text of a file and its language. Out: texts of SQL that know their places.

A reader per language gives a `Reading`: fragments of SQL, and what it could not read, with the reason. Only plain SQL
files are read unless the user asks for more.
"""
