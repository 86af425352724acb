#!/bin/sh
# run-mtdchar.sh TREE COMMIT
T=$1; C=$2; D=$(mktemp -d); H=$(dirname "$0")
git -C $T show $C:drivers/mtd/mtdchar.c >$D/m.c
{ sed -n '/^static ssize_t mtdchar_read(/,/^}/p;/^static ssize_t mtdchar_write(/,/^}/p' $D/m.c
  echo 'static noinline_for_stack int'; sed -n '/^mtdchar_read_ioctl(/,/^}/p' $D/m.c; } >$D/extracted.h
gcc -std=gnu11 -w -g -O1 -ftrivial-auto-var-init=pattern -include $H/stub.h -I$D -I$H $H/mtdchar.c -o $D/t && $D/t
rm -rf $D
