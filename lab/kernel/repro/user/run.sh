#!/bin/sh
# run.sh TREE COMMIT: each scenario on the files of that commit
T=$1; C=$2; D=$(mktemp -d)
H=$(dirname "$0")
mkdir -p $D/linux/mtd $D/asm
for h in device kernel module slab sched types backing-dev of of_platform cleanup mutex mtd/mtd mtd/partitions; do echo '#include "stub.h"' >$D/linux/$h.h; done
echo '#include "stub.h"' >$D/asm/div64.h; echo '#include "stub.h"' >$D/mtdcore.h
git -C $T show $C:include/linux/mtd/concat.h >$D/linux/mtd/concat.h
for f in mtd_virt_concat mtdconcat; do git -C $T show $C:drivers/mtd/$f.c >$D/$f.c; done
J=; grep -q destroy_joins $D/linux/mtd/concat.h && J=-DJOINS
gcc -std=gnu11 -w -g -O1 -fsanitize=address,undefined $J -include $H/stub.h -I$D -I$H $D/*.c $H/main.c -o $D/t || exit 1
for t in order rebind use held misfit addfails exit; do
	echo "=== $t"
	ASAN_OPTIONS=detect_leaks=1 timeout 20 $D/t $t 2>&1 | grep -v '^ *$' | grep -a -E -m40 'ERROR|BUG|^ |bind|runtime|refs|Direct|    #[0-3] ' || true
done
rm -rf $D
