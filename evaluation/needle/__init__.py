"""Facts hidden in haystacks, asked through the whole pipeline."""
