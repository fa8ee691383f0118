/* SPDX-License-Identifier: MIT */
/* bad_function - the right symbol, but code where the descriptor should be */
__attribute__((visibility("default"))) int weir_worker(void);

int weir_worker(void)
{
        return 1;
}
