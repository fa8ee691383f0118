/* SPDX-License-Identifier: MIT */
/* bad_symbol - a shared object that is no plugin */
__attribute__((visibility("default"))) int weir_plugin_of_another_kind(void);

int weir_plugin_of_another_kind(void)
{
        return 0;
}
