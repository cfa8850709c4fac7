/* Arithmetic on numbers of type double (IEEE 754 binary64). */
#include <modload/plugin.h>

ML_PLUGIN("math", "1.0.0")

/** The sum of a and b. */
double add(double a, double b)
{
    return a + b;
}

/** What is left of a when b is taken away. */
double subtract(double a, double b)
{
    return a - b;
}

/** The product of a and b. */
double multiply(double a, double b)
{
    return a * b;
}

/** a divided by b, with its fraction. Dividing by zero fails: division_by_zero. */
double divide(double a, double b)
{
    if (b == 0)
        ml_fail("division_by_zero", "cannot divide %g by zero", a);
    return a / b;
}
