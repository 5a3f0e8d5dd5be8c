"""A run that answers over HTTP: the OpenAI API, and one route for everything else that a task predicts."""
