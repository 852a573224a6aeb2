void bench_micro(void);
void bench_micro(void) {}
