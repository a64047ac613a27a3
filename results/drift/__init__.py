"""Whether a judge still says what it, or another, once said: frozen answers judged anew."""
