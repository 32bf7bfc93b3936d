"""The dialect of DeepStack and CodeProject.AI: its operations, forms, answers and refusals."""
