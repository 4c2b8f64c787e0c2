"""What each error's code means: the one table, from which the documentation's is made."""

CODES = {
    # The command line and the computer
    "bad-text": "A text or a file name cannot be read or written as text.",
    "changed-file": "A file has changed since it was recorded.",
    "damaged-file": "A file that Skysort wrote is damaged, or not there.",
    "empty-argument": "An argument is empty: often a shell variable that is not set.",
    "in-use": "Another process is working on the same folder.",
    "interrupted": "You or the system stopped the command.",
    "link-loop": "A link leads back to itself.",
    "linked-folder": "A run or classifier folder holds a link.",
    "missing-library": "A feature needs libraries that are not installed. The message has the command.",
    "nested-too-deep": "A file nests its content too deep to be read.",
    "newer-format": "A newer Skysort wrote the file.",
    "no-home-folder": "The user has no home folder to keep files in.",
    "options-conflict": "Two options, or an option and the data, do not go together.",
    "out-of-memory": "The computer has too little free memory.",
    "out-of-threads": "The system starts no more threads.",
    "path-not-found": "No file or folder is at this path.",
    "system": "The operating system refused to read or write a file.",
    "wrong-value": "A value is outside what an option or an argument takes.",
    # Recipes and fields
    "unknown-recipe": "No recipe has this name, and no file is there.",
    "unknown-section-or-field": "No section or field of a recipe has this name.",
    # Data and pictures
    "ambiguous-folders": "Folders may be classes, splits or copies, and their names do not decide it.",
    "class-too-small": "A class has too few pictures for every split.",
    "damaged-archive": "A zip or tar archive is damaged or cut off.",
    "damaged-data": "A file of a built-in data set is damaged.",
    "download-failed": "A built-in data set could not be downloaded from any of its addresses.",
    "invalid-table": "A CSV file of pictures has a header or rows that cannot be used.",
    "missing-data": "A built-in data set, or a file of it, is not in the data folder.",
    "missing-split": "The data lacks a split that the protocol needs.",
    "no-groups": "No picture has what `group_by` or `burst_seconds` groups by.",
    "no-labels": "The folders and file names give the pictures no labels.",
    "no-readable-pictures": "None of the pictures can be read.",
    "overlapping-classes": "Pictures that should be of none of the classes are of one.",
    "too-few-classes": "Training needs pictures of at least two classes.",
    "unknown-data-set": "No data set has this name, and no folder is there.",
    "unsafe-archive": "An archive holds a path that leads out of it, or far more data than its size.",
    "unsupported-data": "Data comes from a kind of source that Skysort cannot read or combine.",
    # Networks and training
    "device-not-here": "PyTorch cannot use this device on this computer.",
    "diverged": "The loss or a network's logits are NaN or infinite.",
    "network-failed": "Your own network cannot be made, run, described or exported. The message has the reason.",
    "pictures-too-small": "The pictures are too small for the network.",
    "unknown-device": "No device has this name.",
    "unknown-network": "No network has this name.",
    # Classifiers
    "altered-classifier": "A file of a classifier folder is not the one that it was made with, or a link.",
    "damaged-classifier": "A file of a classifier folder is missing or cannot be read.",
    "not-a-classifier": "A folder holds no classifier.",
    "unknown-class": "The classifier or the data has no class of this name.",
    "unknown-decision": "The classifier has no decision of this name.",
    # Trust
    "too-few-pictures": "There are too few calibration pictures for the promise.",
    # Runs and comparisons
    "damaged-run": "A file of a run is missing or damaged.",
    "recipe-changed": "The recipe of a run has changed since its checkpoint was written.",
    "run-not-finished": "A run has no classifier yet. Resume it.",
    "unknown-study": "No study has this name.",
    # Moving pictures, the journal and the watcher
}
