"""The functions of an application: declare, find, check arguments, run, retry."""
