"""What became of every value, told from Git alone; and commits made anew from their evidence."""
