"""What a backend needs beside its tables, each built from tables, transactions and functions."""
