"""What a maintainer sees at `/maintain`: what was asked and said, how it was answered, and what indexes hold."""
