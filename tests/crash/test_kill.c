/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "crash.h"

int main(int argc, char **argv)
{
    return crash_main(argc, argv, false);
}
