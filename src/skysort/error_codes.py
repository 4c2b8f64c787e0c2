"""What each error's code means: the one table, from which the documentation's is made."""

CODES = {
    # The command line and the computer
    "bad-text": "A text or a file name cannot be read or written as text.",
    "empty-argument": "An argument is empty: often a shell variable that is not set.",
    "in-use": "Another process is working on the same folder.",
    "interrupted": "You or the system stopped the command.",
    "link-loop": "A link leads back to itself.",
    "missing-library": "A feature needs libraries that are not installed. The message has the command.",
    "nested-too-deep": "A file nests its content too deep to be read.",
    "out-of-memory": "The computer has too little free memory.",
    "out-of-threads": "The system starts no more threads.",
    "system": "The operating system refused to read or write a file.",
    # Recipes and fields
    "unknown-recipe": "No recipe has this name, and no file is there.",
    "unknown-section-or-field": "No section or field of a recipe has this name.",
    # Data and pictures
    # Networks and training
    "unknown-device": "No device has this name.",
    "unknown-network": "No network has this name.",
    # Classifiers
    "unknown-class": "The classifier or the data has no class of this name.",
    "unknown-decision": "The classifier has no decision of this name.",
    # Trust
    # Runs and comparisons
    "unknown-study": "No study has this name.",
    # Moving pictures, the journal and the watcher
}
