"""Who may do what: keys for programs, logins for people, and how much each of them may ask for."""
