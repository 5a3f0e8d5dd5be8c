"""From files to examples: read rows, recognise their format, convert, group and split."""
