"""What measures or changes a program? Passes, the manager that runs them, and the analyses they ask for."""
