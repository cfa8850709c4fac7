/* Does nothing: what starting and ending a static program costs. */
int main(void)
{
    return 0;
}
