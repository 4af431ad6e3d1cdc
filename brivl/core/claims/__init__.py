"""Claims of the paper as rules, and headlines that state what data show."""
