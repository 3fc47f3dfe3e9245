/* An image that does nothing: what others are larger than it is what they use. */
int main(void) { return 0; }
