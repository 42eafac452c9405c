"""What a room is: who is in it, what they publish, what each of them is shown, and what happens to them."""
