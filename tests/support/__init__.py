"""What tests of several rooms share: worlds to test in, servers on this machine, and the command line."""
