/* What Rust calls: the table, and nothing else. */
#include <fastgrad/fastgrad.h>

const fastgrad_table *fastgrad_table_for_rust(void)
{
    return fastgrad_open(NULL);
}
