/* mtdchar_read(), mtdchar_write(), mtdchar_read_ioctl() of a commit, in a program. */
#include "stub.h"
#define __user
#define noinline_for_stack __attribute__((noinline))
#define pr_debug(...) do { } while (0)
#define check_add_overflow(a, b, r) __builtin_add_overflow(a, b, r)
#define kvmalloc(s, f) malloc(s)
#define kvfree free
#define max(a, b) ((a) > (b) ? (a) : (b))
typedef uint8_t uint8_t;
enum mtd_file_modes { MTD_FILE_MODE_NORMAL, MTD_FILE_MODE_OTP_FACTORY, MTD_FILE_MODE_OTP_USER, MTD_FILE_MODE_RAW };
enum { MTD_OPS_PLACE_OOB, MTD_OPS_AUTO_OOB, MTD_OPS_RAW };
struct mtd_file_info { struct mtd_info *mtd; enum mtd_file_modes mode; };
struct file { void *private_data; };
struct mtd_req_stats { unsigned uncorrectable_errors, corrected_bitflips, max_bitflips; };
struct ops2 { unsigned mode; size_t len, retlen, ooblen, oobretlen; u32 ooboffs; u8 *datbuf, *oobbuf; struct mtd_req_stats *stats; };
#define mtd_oob_ops ops2
struct mtd_read_req { u64 start, len, ooblen, usr_data, usr_oob; u8 mode, pad[7]; struct mtd_req_stats ecc_stats; };
#define mtd_read rd
#define mtd_write wr
#define mtd_read_oob rdoob
#define mtd_write_oob wroob
static int copy_to_user(void *d, const void *s, size_t n) { if (!n) return 0; if ((uintptr_t)d < 4096) return n; memcpy(d, s, n); return 0; }
static int copy_from_user(void *d, const void *s, size_t n) { if (!n) return 0; if ((uintptr_t)s < 4096) return n; memcpy(d, s, n); return 0; }
static long fail = -1; static int err = -EIO;
static void *mtd_kmalloc_up_to(struct mtd_info *m, size_t *s) { if (*s > 4 << 20) *s = 4 << 20; return malloc(*s); }
static int io(loff_t o, size_t l, size_t *r) { *r = l; if (fail >= 0 && o <= fail && o + l > fail) { *r = fail - o; return err; } return 0; }
static int rd(struct mtd_info *m, loff_t o, size_t l, size_t *r, u_char *b) { int e = io(o, l, r); memset(b, 1, *r); return e; }
static int wr(struct mtd_info *m, loff_t o, size_t l, size_t *r, const u_char *b) { return io(o, l, r); }
static int rdoob(struct mtd_info *m, loff_t o, struct ops2 *p) { return -EINVAL; /* as mtd_check_oob_ops() */ }
static int wroob(struct mtd_info *m, loff_t o, struct ops2 *p) { return -EINVAL; }
#define X(n, t) static int n(struct mtd_info *m, loff_t o, size_t l, size_t *r, t *b) { *r = 0; return -EOPNOTSUPP; }
X(mtd_read_fact_prot_reg, u_char) X(mtd_read_user_prot_reg, u_char) X(mtd_write_user_prot_reg, const u_char)
static bool mtd_is_bitflip_(int e) { return e == -EUCLEAN; }
#define mtd_is_bitflip mtd_is_bitflip_
static bool mtd_is_bitflip_or_eccerr(int e) { return e == -EUCLEAN || e == -EBADMSG; }
static int mtd_mod_by_ws(u64 a, struct mtd_info *m) { return a % m->writesize; }
#include "extracted.h"
static void __attribute__((noinline)) dirty(void) { volatile char b[2048]; memset((void *)b, 0xa5, sizeof(b)); }
static char big[12 << 20];
int main(void)
{
	struct mtd_info m = { .size = 16 << 20, .erasesize = 65536, .writesize = 512 };
	struct mtd_file_info mfi = { &m };
	struct file f = { &mfi };
	loff_t pos = 0;
	ssize_t n;
#define SHOW(w) printf("%s: %zd, pos %lld\n", w, n, (long long)pos)
	m._read_oob = (void *)rdoob;
	fail = 6 << 20;
	n = mtdchar_read(&f, big, sizeof(big), &pos); SHOW("read 12M, error at 6M");
	n = mtdchar_read(&f, big, 4 << 20, &pos); SHOW("next read");
	pos = 0; n = mtdchar_write(&f, big, sizeof(big), &pos); SHOW("write 12M, error at 6M");
	n = mtdchar_write(&f, big, 4 << 20, &pos); SHOW("next write");
	pos = 0; err = -EUCLEAN; fail = -1; n = mtdchar_read(&f, big, 1 << 20, &pos); SHOW("read");
	pos = 0; n = mtdchar_read(&f, (char *)16, 4096, &pos); SHOW("read to a bad address");
	pos = 0; n = mtdchar_write(&f, (char *)16, 4096, &pos); SHOW("write from a bad address");
	pos = (16 << 20) - 100; n = mtdchar_read(&f, big, 4096, &pos); SHOW("read at the end");
	n = mtdchar_read(&f, big, 4096, &pos); SHOW("read behind the end");
	struct mtd_read_req r = { .ooblen = 4000, .usr_oob = (uintptr_t)big };
	dirty();
	n = mtdchar_read_ioctl(&m, &r);
	printf("MEMREAD refused: %zd, statistics %x %x %x\n", n, r.ecc_stats.uncorrectable_errors, r.ecc_stats.corrected_bitflips, r.ecc_stats.max_bitflips);
	return 0;
}
