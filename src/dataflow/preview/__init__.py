"""What a workflow's write would bring, beside what stands published; nothing is written anywhere."""
