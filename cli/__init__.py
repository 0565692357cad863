"""What a person types: one file per command. A command parses, calls one function of the library, and prints."""
