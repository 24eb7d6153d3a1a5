"""What the lifter tells other software about people, each in a form that is read as it is."""
