"""Element 2, performance evaluation: one score a file; the file's name is the flag's value."""
