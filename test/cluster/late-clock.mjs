// Imported before a node's own code: for that process it is an hour later.
const now = Date.now.bind(Date);
Date.now = () => now() + 3_600_000;
