"""The privacy budget's book: what a job costs, whether it fits, where it may go from there."""
