"""What is a program? Packages in and out, text, verification, rewriting and the tables of opsets."""
