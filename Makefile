# Duet: the only build file. `make help` lists the targets.
#
#   CC=gcc|clang   compiler        (default gcc)
#   OPT=2|0|s      optimisation    (default 2)
#   SAN=ubsan      panic on undefined behaviour
#   COVERAGE=1     count what runs, by gcov (gcc, OPT=0)
# Each combination builds in its own folder, so that they live side by side.

#   V=1            show the commands

MAKEFLAGS += --no-builtin-rules --no-print-directory
Q := $(if $(V),,@)
say = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-6s %s\n' $(1) $@)
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := help

ifeq ($(origin CC),default)
CC := gcc
endif
OPT ?= $(if $(COVERAGE),0,2)
ifneq ($(if $(COVERAGE),$(COVERAGE)-$(CC)-$(OPT)-$(SAN),1-gcc-0-),1-gcc-0-)
$(error COVERAGE=$(COVERAGE) is not known, but for COVERAGE=1 CC=gcc OPT=0)
endif
ifneq ($(filter-out ubsan,$(SAN)),)
$(error SAN=$(SAN) is not known; valid: ubsan)
endif
KBUILD := build/kernel-$(if $(COVERAGE),coverage,$(notdir $(CC))-O$(OPT)$(SAN:%=-%))
KERNEL := $(KBUILD)/duet.elf
ISO := $(if $(COVERAGE),$(KBUILD),build)/duet.iso
SYMBOLS := build/duet-symbols

comma := ,

# ---- flags -----------------------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wvla -Wcast-align -Wcast-qual -Wpointer-arith -Wwrite-strings \
        -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations -Wold-style-definition -Wredundant-decls \
        -Wformat=2 -Wformat-nonliteral -Wimplicit-fallthrough -Wdouble-promotion -Wconversion -Wno-sign-conversion \
        -Wswitch-enum -Wdate-time -Werror
WARN_gcc := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init -Walloca
WARN_clang := -Wcomma -Wunreachable-code-break -Wno-language-extension-token
COMPILER := $(if $(findstring clang,$(notdir $(CC))),clang,gcc)

CSTD := -std=c17 -Isrc -Isrc/kernel/x86_64 $(WARN) $(WARN_$(COMPILER))
# -mgeneral-regs-only: interrupts and switches save no vector state, so no kernel instruction may use any.
# -fno-tree-loop-distribute-patterns: else memset's loop becomes a call to memset.
# -falign-jumps=1, -falign-loops=1: what is padded within functions would be a twenty-fifth of the text.
KFLAGS_gcc := -fno-tree-loop-distribute-patterns -falign-jumps=1 -falign-loops=1 -mstack-protector-guard=global
KFLAGS_clang := -mstack-protector-guard=global
KFLAGS := $(CSTD) -O$(OPT) -g -ffreestanding -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
          -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-common \
          -fno-strict-aliasing -fstack-protector-strong -ffunction-sections -fdata-sections \
          -ffile-prefix-map=$(CURDIR)=. $(KFLAGS_$(COMPILER))
KLDFLAGS := -nostdlib -static -Wl,-T,src/kernel/kernel.ld -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
            -Wl,--build-id=none -Wl,--gc-sections -Wl,--fatal-warnings
# The kernel panics on undefined behaviour. Left out of what the compilers can check: floating point, of which there is
# none; vptr, function and return, which only C++ has; nullability, which needs annotations. Of what is defined, clang
# also checks implicit conversions that lose bits: -Wconversion lets a compound assignment do so unseen by gcc.
KSAN_gcc := -fsanitize=undefined -fsanitize=bounds-strict -fno-sanitize-recover=all
KSAN_clang := -fsanitize=undefined,implicit-integer-truncation -fno-sanitize=function,vptr -fno-sanitize-recover=all
# Counters of what runs: src/kernel/coverage.c sends them, when the linker has led two calls there.
KCOV := $(if $(COVERAGE),-fprofile-arcs -ftest-coverage -fprofile-info-section=gcov_info -fprofile-update=atomic -fprofile-abs-path)
KLDFLAGS += $(if $(COVERAGE),-Wl$(comma)--wrap=log_replay -Wl$(comma)--wrap=space_thread_end)
KSAN := $(if $(SAN),$(KSAN_$(COMPILER)) -DCHECKED_ARITHMETIC)
HOSTFLAGS := -std=c17 -Isrc $(WARN) $(WARN_gcc) -g -D_GNU_SOURCE

# ---- sources ---------------------------------------------------------------------------------------------------------

PURE_SRC := $(wildcard src/lib/*.c src/executor/*.c src/thread/*.c src/thread/*.S src/bridge/*.c src/drivers/*.c)
UBSAN_SRC := src/kernel/ubsan.c src/kernel/suites/ubsan.c
KERNEL_SRC := $(PURE_SRC) $(wildcard src/kernel/*.c src/kernel/x86_64/*.c src/kernel/x86_64/*.S src/kernel/suites/*.c src/kernel/suites/*.S)
KERNEL_SRC := $(filter-out $(UBSAN_SRC),$(KERNEL_SRC)) $(if $(SAN),$(UBSAN_SRC))
KERNEL_SRC := $(filter-out src/kernel/coverage.c,$(KERNEL_SRC)) $(if $(COVERAGE),src/kernel/coverage.c)
KERNEL_OBJ := $(KERNEL_SRC:%=$(KBUILD)/%.o)
HOST_TEST_SRC := $(wildcard tests/host/*.c) tools/native/check.c
QEMU_TEST_SRC := $(wildcard tests/qemu/*.c)
BENCH_SRC := $(wildcard tools/bench/*.c)
SYMBOLS_SRC := $(wildcard tools/symbols/*.c)

# What runs at boot, in a report or in a panic is made small, the rest fast.
COLD_SRC := $(addprefix src/lib/,acpi.c cmdline.c elf.c format.c heap_debug.c heap_failing.c heap_list.c histogram.c json.c multiboot2.c page_fault.c) \
            $(addprefix src/lib/,pvh.c space.c symbols.c tar.c workload.c) \
            $(addprefix src/kernel/x86_64/,fw_cfg.c ioapic.c irq_line.c power.c) \
            $(addprefix src/kernel/,backtrace.c demo.c echo.c facts.c main.c options.c panic.c process.c programs.c report.c shell.c suite.c) \
            $(addprefix src/lib/,cp437.c line_edit.c log.c terminal.c utf8.c) \
            src/kernel/x86_64/physical.c \
            $(addprefix src/,drivers/i8042.c drivers/mouse_setup.c drivers/ps2_port.c executor/async_trace.c executor/broadcast.c executor/combine.c executor/insight.c thread/account.c) \
            $(addprefix src/bridge/,block_on.c join.c)

# ---- kernel ----------------------------------------------------------------------------------------------------------

$(COLD_SRC:%=$(KBUILD)/%.o): KFLAGS := $(KFLAGS:-O2=-Oz)
$(KBUILD)/src/kernel/ubsan.c.o: KSAN :=
$(KBUILD)/src/kernel/coverage.c.o: KCOV := -O2
$(KBUILD)/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(KFLAGS) $(KSAN) $(KCOV) -MMD -MP -c $< -o $@

$(KBUILD)/%.S.o: %.S Makefile
	@mkdir -p $(@D)
	$(call say,AS)
	$(Q)$(CC) $(KFLAGS) -D__ASSEMBLER__ -MMD -MP -c $< -o $@

# Linked twice: the second time with the names of the first one's text, which must not move by that.
$(KBUILD)/nameless.elf: $(KERNEL_OBJ) src/kernel/kernel.ld
	$(call say,LD)
	$(Q)$(CC) $(KLDFLAGS) $(KERNEL_OBJ) -o $@

$(KBUILD)/symbols.bin: $(KBUILD)/nameless.elf $(SYMBOLS)
	$(call say,NAMES)
	$(Q)$(SYMBOLS) $< $@

$(KBUILD)/symbols.o: $(KBUILD)/symbols.bin
	$(Q)printf '.section symbols, "a", @progbits\n.incbin "%s"\n' $< | gcc -c -x assembler - -o $@

text_of = nm -n $(1) | grep ' [Tt] ' >$(1).text
$(KERNEL): $(KBUILD)/nameless.elf $(KBUILD)/symbols.o
	$(call say,LD)
	$(Q)$(CC) $(KLDFLAGS) $(KERNEL_OBJ) $(KBUILD)/symbols.o -o $@
	$(Q)$(call text_of,$<) && $(call text_of,$@) && cmp $<.text $@.text || { echo '$@: the names moved the text'; exit 1; }

$(SYMBOLS): $(SYMBOLS_SRC) $(wildcard tools/symbols/*.h) src/lib/symbols.h Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) -O2 $(SYMBOLS_SRC) -ldw -lelf -o $@

-include $(KERNEL_OBJ:.o=.d)


# ---- programs --------------------------------------------------------------------------------------------------------

# Ring 3 has its own vector registers, and no kernel around it. They come to the kernel as one archive, a loader's module.
USER_FLAGS := -std=c17 -Isrc -Isrc/user $(WARN) $(WARN_$(COMPILER)) -O$(OPT) -g -ffreestanding -fno-pie -fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
              -fno-stack-protector -fno-strict-aliasing -ffunction-sections -fdata-sections \
              $(filter-out -mstack-protector-guard=global,$(KFLAGS_$(COMPILER))) -ffile-prefix-map=$(CURDIR)=.
USER_LDFLAGS := -nostdlib -static -Wl,-T,src/user/user.ld -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
                -Wl,--build-id=none -Wl,--gc-sections -Wl,--fatal-warnings -Wl,--strip-debug
USER_COMMON := $(if $(COVERAGE),src/user/coverage.S) src/user/crt.S src/user/text.c src/lib/mem.c
USER_PROGRAMS := $(patsubst src/user/programs/%.c,%,$(wildcard src/user/programs/*.c))
USER_DRIVER := src/user/driver.c src/drivers/input.c src/lib/probe.c
USER_MORE_keyboard := $(USER_DRIVER) src/drivers/keyboard.c src/lib/scancode.c src/lib/keymap.c
USER_MORE_mouse := $(USER_DRIVER) src/drivers/mouse.c src/drivers/mouse_setup.c src/lib/mouse_packet.c
USER_MORE_shell := src/lib/line_edit.c src/lib/format.c
USER_MORE_echo := src/lib/format.c $(USER_DRIVER)
USER_PARTS = $(USER_COMMON) src/user/programs/$(1).c $(wildcard src/user/programs/$(1).S) $(USER_MORE_$(1))
PROGRAMS := $(KBUILD)/programs.tar

$(KBUILD)/user/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(USER_FLAGS) $(KCOV) -MMD -MP -c $< -o $@

$(KBUILD)/user/%.S.o: %.S Makefile
	@mkdir -p $(@D)
	$(call say,AS)
	$(Q)$(CC) $(USER_FLAGS) -Wno-variadic-macros -D__ASSEMBLER__ -MMD -MP -c $< -o $@

define user_program # (name)
$(KBUILD)/programs/$(1): $(patsubst %,$(KBUILD)/user/%.o,$(call USER_PARTS,$(1))) src/user/user.ld
	@mkdir -p $$(@D)
	$$(call say,LD)
	$$(Q)$$(CC) $$(USER_LDFLAGS) $$(filter %.o,$$^) -o $$@
endef
$(foreach program,$(USER_PROGRAMS),$(eval $(call user_program,$(program))))

# The same bytes from the same programs, whoever builds them and when.
$(PROGRAMS): $(USER_PROGRAMS:%=$(KBUILD)/programs/%)
	$(call say,TAR)
	$(Q)tar --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C $(KBUILD)/programs -cf $@ $(sort $(USER_PROGRAMS))

-include $(shell find $(KBUILD)/user -name '*.d' 2>/dev/null)

.PHONY: kernel
kernel: $(KERNEL) $(PROGRAMS)

# ---- ISO -------------------------------------------------------------------------------------------------------------

.PHONY: iso
iso: deps-build
	@$(MAKE) $(ISO)

$(ISO): $(KERNEL) $(PROGRAMS) src/kernel/grub.cfg
	@rm -rf $(@D)/iso && mkdir -p $(@D)/iso/boot/grub
	@cp $(KERNEL) $(@D)/iso/boot/duet.elf
	@cp $(PROGRAMS) $(@D)/iso/boot/programs.tar
	@cp src/kernel/grub.cfg $(@D)/iso/boot/grub/grub.cfg
	$(call say,ISO)
	$(Q)grub-mkrescue -o $@ $(@D)/iso 2>$(@D)/iso.log || { cat $(@D)/iso.log; exit 1; }

# ---- run and debug ---------------------------------------------------------------------------------------------------

.PHONY: run debug
run: deps-build deps-bench ## boot the ISO in QEMU, serial console in this terminal (CMDLINE='mode=echo' to choose)
	@$(MAKE) $(ISO)
	tools/run.sh $(ISO) $(CMDLINE)

debug: deps-build deps-debug ## boot the ISO in QEMU and stop at the first instruction, with gdb attached
	@$(MAKE) $(ISO)
	tools/debug.sh $(KERNEL) $(CMDLINE)

# ---- bench -----------------------------------------------------------------------------------------------------------

build/bench/duet-bench: $(BENCH_SRC) $(wildcard tools/bench/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) -O2 $(BENCH_SRC) -ljansson -lm -o $@

.PHONY: bench
bench: deps-build deps-bench ## compare the cooperative with the preemptive drivers (QUICK=1: within a minute; LAB=full: all)
	@$(MAKE) -s $(ISO) build/bench/duet-bench
	@$(LAB_RUN) run $(LAB_CELLS)
	@build/bench/duet-bench --kernel $(KERNEL) --programs $(PROGRAMS) --iso $(ISO) --machine tools/reference-machine --out build/bench \
	    $(if $(QUICK),--quick)
	@$(LAB_RUN) merge $(LAB_CELLS)
	@tools/lab/report.py build/bench

ifneq ($(filter-out full,$(LAB)),)
$(error LAB=$(LAB) is not known; valid: full)
endif
LAB_RUN = tools/lab/lab.py --kernel $(KERNEL) --machine tools/reference-machine --out build/bench
LAB_CELLS = $(if $(QUICK),--quick) $(if $(LAB),--full)

BASELINE := tests/bench-baseline.json
.PHONY: bench-list bench-check bench-baseline report report-test trace
report: deps-bench ## make build/bench/report.html anew from the results that are there, Linux's among them
	@tools/lab/report.py build/bench

# After what it leaves beside the results, or else there is nothing yet to be beside of.
REPORT_ANEW = if [ -f build/bench/results.json ]; then tools/lab/report.py build/bench; fi

trace: deps-build deps-bench ## record what happens in a cell (CELL='driver=thread load=both') as build/bench/trace.json, for Perfetto
	@$(MAKE) -s kernel
	@tools/lab/trace.py --kernel $(KERNEL) --out build/bench $(CELL)

report-test: deps-report ## that page in a headless browser: at a desk, on a phone, in the dark, on paper; pictures in build/report
	@tools/test.sh report browser

bench-list: ## a command for each cell of the lab, a line each, for GNU parallel; `make bench` merges what they leave
	@$(MAKE) -s kernel
	@$(LAB_RUN) list $(LAB_CELLS)

bench-check: ## whether the figures of the last `make bench` have the shapes they must have, and are the baseline's
	@tools/lab/check.py build/bench/results.json --baseline $(BASELINE)

bench-baseline: ## make the figures of the last `make bench` the baseline, to be committed with the reason
	@tools/lab/check.py build/bench/results.json --baseline $(BASELINE) --write

# Linux beside it, and a stopwatch for both: what is measured within Linux, and what from outside.
LINUX_SRC := $(wildcard tools/linux/*.c)
LINUX_GUEST_SRC := $(wildcard tools/linux/guest/*.c) src/lib/stats.c
STOPWATCH_SRC := $(filter-out tools/stopwatch/plugin.c,$(wildcard tools/stopwatch/*.c)) tools/linux/boot.c src/lib/stats.c
STOPWATCH := build/bench/stopwatch.so
BENCH_PARTS := $(addprefix tools/bench/,pool.c qemu.c util.c)

build/bench/duet-linux: $(LINUX_SRC) $(BENCH_PARTS) $(wildcard tools/linux/*.h tools/bench/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) -O2 $(LINUX_SRC) $(BENCH_PARTS) -ljansson -o $@

build/bench/duet-external: $(STOPWATCH_SRC) $(BENCH_PARTS) $(wildcard tools/stopwatch/*.h tools/linux/*.h tools/bench/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) -O2 $(STOPWATCH_SRC) $(BENCH_PARTS) -ljansson -lelf -o $@

$(STOPWATCH): tools/stopwatch/plugin.c tools/stopwatch/qemu_plugin.h Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) -O2 -fPIC -shared -fvisibility=hidden $< -o $@

build/linux/init: $(LINUX_GUEST_SRC) tools/linux/guest/guest.h Makefile
	@mkdir -p $(@D)
	$(call say,GUESTCC)
	$(Q)gcc $(HOSTFLAGS) -O2 -static $(LINUX_GUEST_SRC) -lpthread -o $@

.PHONY: bench-all bench-linux bench-external linux-kernels
linux-kernels: build/linux/init
	@tools/linux/fetch.sh build/linux $<

bench-linux: deps-bench-linux ## measure Debian's kernel, stock and PREEMPT_RT, on the same machine (QUICK=1: once, few rounds)
	@$(MAKE) -s build/bench/duet-linux linux-kernels
	@build/bench/duet-linux $(if $(QUICK),--quick)
	@$(REPORT_ANEW)

bench-external: deps-build deps-bench-linux ## keys and mouse from outside into Duet and Linux, a stopwatch beside (QUICK=1; ONLY=name)
	@$(MAKE) -s $(KERNEL) $(PROGRAMS) build/bench/duet-external $(STOPWATCH) linux-kernels
	@build/bench/duet-external --duet $(KERNEL) --programs $(PROGRAMS) $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)); \
	    status=$$?; $(REPORT_ANEW) && exit $$status

bench-all: ## bench, bench-linux and bench-external: Duet, Linux and PREEMPT_RT in one page, build/bench/report.html (QUICK=1)
	@echo '1 of 3: Duet'
	@$(MAKE) bench
	@echo '2 of 3: Linux, from within'
	@$(MAKE) bench-linux
	@echo '3 of 3: all kernels, from outside'
	@$(MAKE) bench-external

# Duet's own sources and its peers', as programs of the host.
NATIVE := build/bench-native
NATIVE_SRC := $(wildcard tools/native/*.c tools/native/*.cpp)
NATIVE_PURE := $(wildcard src/lib/*.c src/executor/*.c)
NATIVE_FLAGS := -O2 -g -Isrc -Itests/host -D_GNU_SOURCE -Wall -Wextra -Werror
$(NATIVE)/src/lib/mem.c.o: EXTRA := -Dmemcpy=duet_memcpy -Dmemmove=duet_memmove -Dmemset=duet_memset -Dmemcmp=duet_memcmp

$(NATIVE)/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc -std=c17 $(NATIVE_FLAGS) $(EXTRA) -MMD -MP -c $< -o $@

$(NATIVE)/%.cpp.o: %.cpp Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCXX)
	$(Q)g++ -std=c++20 $(NATIVE_FLAGS) -DNDEBUG -MMD -MP -c $< -o $@

$(NATIVE)/pure.a: $(NATIVE_PURE:%=$(NATIVE)/%.o)
	$(Q)rm -f $@ && ar rcs $@ $^

$(NATIVE)/duet-native: $(NATIVE_SRC:%=$(NATIVE)/%.o) $(NATIVE)/pure.a
	$(call say,LD)
	$(Q)g++ -Wl,-z,now $^ -luv -lpth -lboost_context -lpthread -o $@

-include $(patsubst %,$(NATIVE)/%.d,$(basename $(NATIVE_PURE:%=%.o)) $(basename $(NATIVE_SRC:%=%.o)))

.PHONY: bench-native
bench-native: deps-build deps-bench-native ## compare the executor on this host with coroutines, fibers, libuv, threads (QUICK=1: shorter)
	@$(MAKE) -s $(NATIVE)/duet-native
	@$(NATIVE)/duet-native --check
	@$(NATIVE)/duet-native --out $(NATIVE) $(if $(QUICK),--quick)

# ---- tests -----------------------------------------------------------------------------------------------------------

# The core under test is compiled as the kernel's is, but for the target. mem.c would replace libc's functions: renamed.
HOST_RENAME := -Dmemcpy=duet_memcpy -Dmemmove=duet_memmove -Dmemset=duet_memset -Dmemcmp=duet_memcmp
HOST_SAN := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_MUTANT := -O0 -g0
HOST_MAP := -O0 -g1 -finstrument-functions
HOST_COV := -O0 --coverage -fprofile-abs-path -fprofile-update=atomic

define host_build # (folder, extra flags)
$(1)/src/lib/mem.c.o: EXTRA := $$(HOST_RENAME) -fno-builtin
$(1)/%.c.o: %.c Makefile
	@mkdir -p $$(@D)
	$$(call say,HOSTCC)
	$$(Q)gcc $$(HOSTFLAGS) $(2) $$(EXTRA) -Itests/host $$(if $$(findstring tests/,$$<),-Wno-pedantic -Wno-conversion) -MMD -MP -c $$< -o $$@
$(1)/%.S.o: %.S Makefile
	@mkdir -p $$(@D)
	$$(call say,HOSTCC)
	$$(Q)gcc $$(HOSTFLAGS) -Itests/host -D__ASSEMBLER__ -MMD -MP -c $$< -o $$@
$(1)/host-tests: $$(PURE_SRC:%=$(1)/%.o) $$(HOST_TEST_SRC:%=$(1)/%.o) | $$(SYMBOLS)
	$$(call say,LD)
	$$(Q)gcc $(2) $$^ -lcriterion -lm -o $$@
-include $$(patsubst %,$(1)/%.d,$$(basename $$(PURE_SRC:%=%.o)) $$(basename $$(HOST_TEST_SRC:%=%.o)))
endef
$(eval $(call host_build,build/host-san,$(HOST_SAN)))
$(eval $(call host_build,build/host-cov,$(HOST_COV)))
# Two more for mutants: what they are linked with, and what says which test enters which function.
ifneq ($(findstring build/mutants,$(MAKECMDGOALS)),)
$(eval $(call host_build,build/mutants/host,$(HOST_MUTANT)))
$(eval $(call host_build,build/mutants/map,$(HOST_MAP)))
endif

# The thread sanitizer sees what threads of the host do to each other: there critical sections are a lock.
TSAN_SRC := $(wildcard src/lib/*.c src/executor/*.c tests/tsan/*.c)
TSAN := -O1 -fsanitize=thread -fno-omit-frame-pointer
build/tsan/src/lib/mem.c.o: EXTRA := $(HOST_RENAME) -fno-builtin
build/tsan/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) $(TSAN) $(EXTRA) -Itests/tsan $(if $(findstring tests/,$<),-Wno-pedantic -Wno-conversion) -MMD -MP -c $< -o $@
build/tsan-tests: $(TSAN_SRC:%=build/tsan/%.o)
	$(call say,LD)
	$(Q)gcc $(TSAN) $^ -o $@
-include $(TSAN_SRC:%.c=build/tsan/%.c.d)

# Fuzz targets, a program each: tests/fuzz/targets names them. Three builds: libFuzzer, replay by gcc, and coverage.
# jansson, by which the JSON writer is checked, has a function of a name that the writer has too: renamed.
FUZZ_TARGETS := $(shell awk '!/^(\#|$$)/ { print $$1 }' tests/fuzz/targets)
FUZZ_SUPPORT := $(addprefix tests/fuzz/,fuzz.c json_reading.c memory.c) $(filter-out tests/host/test_% tests/host/support.c,$(wildcard tests/host/*.c))
FUZZ_PURE := $(filter-out src/lib/json.c,$(PURE_SRC))
FUZZ_CC_clang := clang $(filter-out $(WARN_gcc),$(HOSTFLAGS)) $(WARN_clang)
FUZZ_CC_gcc := gcc $(HOSTFLAGS)
FUZZ_SAN := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_COV := -O1 -fprofile-instr-generate -fcoverage-mapping

define fuzz_build # (folder, compiler, flags, flags of what is fuzzed, flags of the link, folder of what is fuzzed, main)
$(1)/src/lib/mem.c.o: EXTRA := $$(HOST_RENAME) -fno-builtin
$(1)/src/lib/json.c.o $(1)/tests/fuzz/json.c.o: EXTRA := -Djson_string=duet_json_string
$(1)/src/%.c.o: src/%.c Makefile
	@mkdir -p $$(@D)
	$$(call say,FUZZCC)
	$$(Q)$(2) $(3) $(4) $$(EXTRA) -Itests/host -MMD -MP -c $$< -o $$@
$(1)/%.c.o: %.c Makefile
	@mkdir -p $$(@D)
	$$(call say,FUZZCC)
	$$(Q)$(2) $(3) $$(EXTRA) -Itests/fuzz -Itests/host -Wno-pedantic -Wno-conversion -Wno-unused -Wno-unused-parameter -Wno-format-nonliteral -MMD -MP -c $$< -o $$@
$(1)/%.S.o: %.S Makefile
	@mkdir -p $$(@D)
	$$(Q)gcc $$(HOSTFLAGS) -Itests/host -D__ASSEMBLER__ -MMD -MP -c $$< -o $$@
$(1)/fuzzed.a: $$(FUZZ_PURE:%=$(6)/%.o) $$(FUZZ_SUPPORT:%=$(1)/%.o) $(1)/src/lib/json.c.o
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
$(1)/fuzz-%: $(1)/tests/fuzz/%.c.o $(1)/fuzzed.a $(7)
	$$(call say,LD)
	$$(Q)$(2) $(3) $$< $(7) $(1)/fuzzed.a $(5) -ljansson -o $$@
$(1)/all: $$(FUZZ_TARGETS:%=$(1)/fuzz-%)
-include $$(patsubst %,$(1)/%.d,$$(FUZZ_PURE) $$(FUZZ_SUPPORT) src/lib/json.c $$(wildcard tests/fuzz/*.c))
endef
$(eval $(call fuzz_build,build/fuzz,$(FUZZ_CC_clang),$(FUZZ_SAN) -D__SANITIZE_ADDRESS__,-fsanitize=fuzzer-no-link,-fsanitize=fuzzer,build/fuzz,))
$(eval $(call fuzz_build,build/fuzz-replay,$(FUZZ_CC_gcc),$(FUZZ_SAN),,,build/host-san,build/fuzz-replay/tests/fuzz/replay.c.o))
$(eval $(call fuzz_build,build/fuzz-cov,$(FUZZ_CC_clang),,$(FUZZ_COV),-fprofile-instr-generate,build/fuzz-cov,build/fuzz-cov/tests/fuzz/replay.c.o))

build/qemu-tests: $(QEMU_TEST_SRC) $(wildcard tests/qemu/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) -Itests/qemu -Wno-pedantic -Wno-conversion -O1 $(QEMU_TEST_SRC) -lcriterion -ljansson -o $@

# The same with the kernel of `make coverage` wherever a test names one.
$(KBUILD)/qemu-tests: $(QEMU_TEST_SRC) $(wildcard tests/qemu/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(HOSTFLAGS) -DKERNEL_COUNTED='"$(KBUILD)"' -Itests/qemu -Wno-pedantic -Wno-conversion -O1 $(QEMU_TEST_SRC) -lcriterion -ljansson -o $@

.PHONY: test test-host test-tsan test-compile test-models test-report test-qemu kernels print-flags
test: deps-build deps-test ## all tests, on the host and in QEMU; ends with 'N passed, N failed'
	@tools/test.sh host tsan compile models fuzz mutants report qemu

test-host: deps-build deps-test ## the pure core's tests on the host, with address and undefined-behaviour sanitizers
	@tools/test.sh host

test-tsan: deps-build deps-test ## threads of the host that wake tasks and share channels, under the thread sanitizer
	@tools/test.sh tsan

test-compile: deps-build ## what must not compile, by gcc and clang with the kernel's flags
	@tools/test.sh compile

test-models: deps-build deps-test ## the models of models/, by spin, counted like the other tests
	@tools/test.sh models

test-report: deps-test ## the page of the bench: its numbers against the data, its words against their conditions
	@tools/test.sh report

print-flags:
	@echo '$(KFLAGS)'

test-qemu: deps-build deps-test ## whole-machine tests: boot QEMU, drive it over QMP, read serial
	@tools/test.sh qemu

kernels: ## the kernel by gcc and clang, for speed, for size and not optimised, and checked for undefined behaviour
	@$(MAKE) CC=gcc OPT=2 kernel
	@$(MAKE) CC=gcc OPT=s kernel
	@$(MAKE) CC=gcc OPT=0 kernel
	@$(MAKE) CC=clang OPT=2 kernel
	@$(MAKE) CC=clang OPT=s kernel
	@$(MAKE) CC=clang OPT=0 kernel
	@$(MAKE) CC=gcc OPT=2 SAN=ubsan kernel
	@$(MAKE) CC=clang OPT=2 SAN=ubsan kernel

.PHONY: fuzz fuzz-replay fuzz-keep
fuzz: deps-build deps-test deps-fuzz ## every fuzz target for TIME=60 seconds (TARGETS='heap log': only these); the table
	@TIME='$(TIME)' TARGETS='$(TARGETS)' tools/fuzz.sh run

fuzz-replay: deps-build deps-test ## every input the fuzzer kept or crashed with, once
	@TARGETS='$(TARGETS)' tools/fuzz.sh replay

fuzz-keep: deps-build deps-test deps-fuzz ## put into tests/fuzz/corpus what the last `make fuzz` found
	@TARGETS='$(TARGETS)' tools/fuzz.sh keep

.PHONY: prove
prove: deps-build deps-test ## run what is promised by a count, at that count; writes docs/proof.md
	@tools/prove.sh

.PHONY: mutants mutants-list
mutants: deps-build deps-test ## make defects, one at a time: a test must notice each (ONLY=text: of some; MUTANTS=30: a sample)
	@tools/mutants/mutants.py $(if $(MUTANTS),--sample $(MUTANTS)) $(if $(ONLY),--only '$(ONLY)')

mutants-list: deps-test ## every such defect, and what is known of it
	@tools/mutants/mutants.py --list

.PHONY: sweep planted
sweep: deps-build deps-bench ## an interrupt at every instruction of each scenario (SCENARIO=park: of one); the table
	@$(MAKE) -s $(KERNEL)
	@tools/sweep.sh $(KERNEL) $(SCENARIO)

.PHONY: soak
soak: deps-build deps-bench ## floods, faults, kills for MINUTES=10 of virtual time (SEED=1), all accounted for; a line a minute
	@$(MAKE) -s kernel
	@tools/soak.sh $(KERNEL) $(PROGRAMS) '$(MINUTES)' '$(SEED)'

planted: deps-build deps-test ## plant bugs that only an interrupt at the wrong instruction shows; the sweep must notice
	@$(MAKE) -s $(KERNEL)
	@tools/planted.sh

.PHONY: models models-table models-looked-at
models: deps-test ## check the models by spin, and that it finds each planted bug; the tables
	@tools/models.sh

models-table: deps-test ## the same, and put the tables into docs/models.md
	@tools/models.sh --write

models-looked-at: ## after reading: note that the models agree with the functions as they are now
	@tools/looked-at.sh --write

.PHONY: coverage
coverage: deps-build deps-test ## what the tests run of all of src/, on the host and in the kernel in QEMU; HTML and a table under coverage/
	@tools/coverage.sh

# ---- checks ----------------------------------------------------------------------------------------------------------

ALL_C := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

.PHONY: lint format
lint: deps-build deps-test deps-lint ## clang-format, clang-tidy, cppcheck, and the layering of includes
	@tools/lint.sh

format: deps-lint ## rewrite the sources as clang-format wants them
	clang-format -i $(ALL_C)

# ---- housekeeping ----------------------------------------------------------------------------------------------------

.PHONY: deps deps-build deps-bench deps-bench-linux deps-bench-native deps-test deps-lint deps-debug deps-fuzz deps-report clean help
deps: ## install every Debian package of deps.txt that is missing
	@tools/deps.sh build bench bench-linux bench-native test lint debug fuzz report
deps-build deps-bench deps-bench-linux deps-bench-native deps-test deps-lint deps-debug deps-fuzz deps-report:
	@tools/deps.sh $(@:deps-%=%)

clean: ## remove everything built
	rm -rf build coverage/html coverage/*.info coverage/summary.txt

help: ## this list
	@echo 'Duet: futures and threads side by side in one small kernel. Targets:'
	@echo '  iso          build the GRUB 2 ISO, $(ISO)'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  %-12s %s\n", $$1, $$2 }'
