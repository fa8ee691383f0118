# weir - build, test, demo. One file, not recursive; `make help` lists what people type.
#
# Everything made lies below $(B), the objects of each variant apart: `make asan` after `make` rebuilds nothing of
# the other. Options people set: B=dir  CC=clang-14  VARIANT=asan|tsan  T=pattern  KAFKA=real  PREFIX=  DESTDIR=  V=1
B       ?= build
VARIANT ?= release
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
O       := $(B)/obj/$(VARIANT)
P       := $(if $(filter release,$(VARIANT)),$(B),$(O))
PREFIX  ?= /usr/local
T       ?=
S       := tests/support
CLANG   ?= clang-14
BUILD    = @$(MAKE) --no-print-directory -j$$(getconf _NPROCESSORS_ONLN)
MACHINE := $(shell uname -m)
Q       := $(if $(V),,@)
say      = $(if $(V),,@echo "  $(1) $@")
export B

WARN  := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla -Werror
CF    := $(if $(filter x86_64,$(MACHINE)),-fcf-protection)$(if $(filter aarch64,$(MACHINE)),-mbranch-protection=standard)
HARD  := -fstack-protector-strong -fstack-clash-protection $(CF) -fPIC -fvisibility=hidden
FLAGS_release := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FLAGS_fuzz    := $(FLAGS_asan) -fsanitize=fuzzer-no-link
SAN      := $(filter -fsanitize%,$(FLAGS_$(VARIANT)))
INCLUDES  = -D_GNU_SOURCE -Ilib -Iinclude -Icmd -I/usr/include/postgresql
COMPILE   = $(CC) $(CPPFLAGS) $(INCLUDES) -std=gnu17 $(WARN) $(HARD) $(FLAGS_$(VARIANT)) $(CFLAGS) -MMD -MP
ZFLAGS   := -Wl,-z,relro,-z,now,-z,noexecstack $(SAN)
LFLAGS    = -pie $(if $(filter tsan,$(VARIANT)),-rdynamic) $(ZFLAGS) $(LDFLAGS)
LIBS     := -lcurl -lrdkafka -lcjson -lconfig -lpq -lcrypto -lpthread -ldl
CHECK    := -lcheck -lsubunit -lm -lrt

LIB_OBJ   := $(patsubst %.c,$(O)/%.o,$(wildcard lib/*/*.c lib/*.c))
CMD_OBJ   := $(patsubst %.c,$(O)/%.o,$(wildcard cmd/*.c))
# the distribution's librdkafka uses C11 threads, which TSan does not see: see the file's head
EXTRA_OBJ := $(if $(filter tsan,$(VARIANT)),$(O)/$(S)/c11threads.o)
TESTS     := $(patsubst tests/unit/%.c,$(O)/%,$(wildcard tests/unit/test_*.c))
UNIT      := $(filter-out $(O)/test_vectors,$(TESTS))
FUZZ      := $(patsubst tests/fuzz/%.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
SIM_OBJ   := $(patsubst %.c,$(O)/%.o,$(wildcard tests/sim/*.c))
BENCHES   := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c)) $(B)/bench/plugins/noop.so
PLUGINS   := $(patsubst workers/%/,$(P)/plugins/%.so,$(wildcard workers/*/))
TEST_PLUG := $(patsubst tests/plugins/%.c,$(O)/plugins/%.so,$(wildcard tests/plugins/*.c))
PLUG_SQL  := $(patsubst workers/%/migrations,$(O)/sql/%.stamp,$(wildcard workers/*/migrations))
TEST_SQL  := $(patsubst tests/plugins/%.migrations,$(O)/test-sql/%.stamp,$(wildcard tests/plugins/*.migrations))
C_FILES    = $(shell find lib cmd include workers tests bench examples -name '*.[ch]')
SCRIPTS    = $(shell find tests examples bench docs .ci docker -name '*.sh') .ci/run
DEPS      := $(B)/.deps-build

all: $(P)/weir $(P)/libweir.a $(P)/libweir.so plugins ## the program, the libraries, the plugins
	@:
plugins: $(PLUGINS) $(PLUG_SQL)
	@:
test-plugins: $(TEST_PLUG) $(TEST_SQL)
	@:
help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 16

# --- build -----------------------------------------------------------------------------------------------------
$(B)/.deps-%: $(S)/deps.sh
	@mkdir -p $(@D) && sh $< $* && touch $@
$(P)/weir: $(CMD_OBJ) $(O)/libweir.a $(EXTRA_OBJ)
	$(call say,link)
	$(Q)$(CC) $(LFLAGS) -o $@ $^ $(LIBS)
# weir-test: the same objects, but for those that hold a failpoint (see lib/base/failpoint.h)
FAIL_OBJ := $(patsubst %.c,$(O)/failpoints/%.o,$(shell grep -rl --include='*.c' base/failpoint.h lib cmd))
$(P)/weir-test: $(FAIL_OBJ) $(CMD_OBJ) $(O)/libweir.a $(EXTRA_OBJ)
	$(call say,link)
	$(Q)$(CC) $(LFLAGS) -o $@ $(filter-out $(patsubst $(O)/failpoints/%,$(O)/%,$(FAIL_OBJ)),$^) $(LIBS)
$(O)/libweir.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,archive)
	$(Q)ar rcs $@ $^
$(P)/libweir.so.0: $(LIB_OBJ)
	$(call say,link)
	$(Q)$(CC) -shared -Wl,-soname,libweir.so.0 $(if $(SAN),,-Wl,--no-undefined) $(ZFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$(P)/libweir.so: $(P)/libweir.so.0
	@ln -sf libweir.so.0 $@
ifneq ($(P),$(O))
$(P)/libweir.a: $(O)/libweir.a
	@cp $< $@
endif
$(O)/%.o: %.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(COMPILE) -c $< -o $@
$(O)/failpoints/%.o: CPPFLAGS += -DWEIR_FAILPOINTS
$(O)/failpoints/%.o: %.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(COMPILE) -c $< -o $@
# a plugin sees include/ only and is linked with nothing of ours
$(O)/workers/%.o $(O)/tests/plugins/%.o $(O)/bench/plugins/%.o: INCLUDES = -D_GNU_SOURCE -Iinclude
PLUGIN_LINK = $(Q)mkdir -p $(@D); $(CC) -shared $(ZFLAGS) $(LDFLAGS) -o $@ $^ && chmod go-w $@
.SECONDEXPANSION:
$(PLUGINS): $(P)/plugins/%.so: $$(patsubst $$(percent)c,$(O)/$$(percent)o,$$(wildcard workers/$$*/*.c))
	$(PLUGIN_LINK)
percent := %.
comma := ,
$(O)/plugins/%.so: $(O)/tests/plugins/%.o
	$(PLUGIN_LINK)
$(B)/bench/plugins/%.so: $(O)/bench/plugins/%.o
	$(PLUGIN_LINK)
SQL_COPY = mkdir -p $(@D) $(1)/plugins; rm -rf $(1)/plugins/$*.migrations; cp -R $(2) $(1)/plugins/$*.migrations; touch $@
$(PLUG_SQL): $(O)/sql/%.stamp: $$(wildcard workers/$$*/migrations/*.sql)
	@$(call SQL_COPY,$(P),workers/$*/migrations)
$(TEST_SQL): $(O)/test-sql/%.stamp: $$(wildcard tests/plugins/$$*.migrations/*.sql)
	@$(call SQL_COPY,$(O),tests/plugins/$*.migrations)
$(O)/test_%: tests/unit/test_%.c $(O)/libweir.a $(EXTRA_OBJ) Makefile | $(B)/.deps-unit
	@mkdir -p $(@D)
	$(call say,link)
	$(Q)$(COMPILE) $(LFLAGS) -o $@ $< $(EXTRA_OBJ) $(O)/libweir.a $(CHECK) $(LIBS)
$(O)/test_webhook $(addprefix $(O)/test_webhook,_request _reply _tls): CHECK += -lssl
# a target of libFuzzer in the variant fuzz, else one that runs its corpus
$(O)/fuzz_%: tests/fuzz/fuzz_%.c $(if $(filter fuzz,$(VARIANT)),,$(O)/tests/fuzz/corpus.o) $(O)/libcmd.a $(O)/libweir.a Makefile
	$(call say,link)
	$(Q)$(COMPILE) $(LFLAGS) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) -o $@ $(filter %.c %.o %.a,$^) $(LIBS) -lm
# the tests once more, with weir's calls going through tests/torture and that in Check's place; a failpoint is in no object of weir's
TORTURED := $(patsubst tests/unit/%.c,$(O)/torture/%,$(filter-out $(addprefix tests/unit/test_,vectors.c failpoint.c),$(wildcard tests/unit/test_*.c)))
TORTURERS := $(patsubst %.c,$(O)/%.o,$(wildcard tests/torture/*.c))
# a wrapper stays in the stack; and where a check fails, no register area keeps what is lost (runner.c)
$(O)/tests/torture/%.o: CFLAGS += -fno-optimize-sibling-calls
$(O)/tests/torture/check.o $(O)/tests/torture/runner.o: CFLAGS += -mgeneral-regs-only
$(O)/torture/libweir.a: $(O)/libweir.a tests/torture/calls
	@mkdir -p $(@D)
	$(Q)sed 's/.*/& torture_&/' tests/torture/calls >$@.names && objcopy --redefine-syms=$@.names $< $@
$(O)/torture/%.o: tests/unit/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -DWAIT_S=4 -c -o $@ $< && objcopy --redefine-sym exit=torture_exit --redefine-sym abort=torture_abort $@
$(O)/torture/test_%: $(O)/torture/test_%.o $(TORTURERS) $(O)/torture/libweir.a
	$(call say,link)
	$(Q)$(CC) $(LFLAGS) $(if $(SAN),,-fsanitize=leak) -o $@ $^ $(LIBS) -lssl -lm
$(O)/libcmd.a: $(filter-out $(O)/cmd/weir.o,$(CMD_OBJ))
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/clockshift.so: $(S)/clockshift.c
	$(call say,link)
	$(Q)$(COMPILE) -shared $(ZFLAGS) -o $@ $< -ldl
$(O)/test_failpoint: CPPFLAGS += -DWEIR_FAILPOINTS
$(O)/test_failpoint: EXTRA_OBJ += $(O)/failpoints/lib/base/failpoint.o
$(O)/test_failpoint: $(O)/failpoints/lib/base/failpoint.o
$(B)/kafkactl: $(S)/kafkactl.c $(S)/kafkactl_group.c $(S)/kafkactl_load.c $(S)/kafkactl_produce.c $(S)/kafkactl.h Makefile | $(DEPS)
	$(call say,link)
	$(Q)$(CC) $(CPPFLAGS) $(INCLUDES) -std=gnu17 $(WARN) $(HARD) $(FLAGS_$(VARIANT)) $(CFLAGS) $(LFLAGS) -o $@ $(filter %.c,$^) -lrdkafka
# of what lib asks the C library for, these are the simulation's own (tests/sim/clock.c, fiber.c, memory.c)
SIM_WRAP  := malloc calloc realloc reallocarray free clock_gettime poll getrandom __assert_fail \
	$(addprefix pthread_,join detach mutex_lock mutex_unlock cond_broadcast cond_destroy) weir_board_aside weir_board_item weir_lane_count
$(O)/simulate: $(SIM_OBJ) $(O)/libweir.a
	$(call say,link)
	$(Q)$(CC) $(LFLAGS) $(addprefix -Wl$(comma)--wrap=,$(SIM_WRAP)) -o $@ $^ $(LIBS)
$(B)/bench/%: bench/%.c $(O)/libweir.a Makefile
	@mkdir -p $(@D)
	$(call say,link)
	$(Q)$(COMPILE) $(LFLAGS) -o $@ $< $(O)/libweir.a $(LIBS) -lm
-include $(shell find $(B)/obj $(B)/bench -name '*.d' 2>/dev/null)

# --- set-up ----------------------------------------------------------------------------------------------------
deps: ## install what building and the demo need (apt; names the packages where it cannot)
	@sh $(S)/deps.sh build demo unit
deps-test: ## and what the tests on Apache Kafka need
	@sh $(S)/deps.sh build demo unit kafka
deps-lint: ## and clang, clang-format, clang-tidy, shellcheck
	@sh $(S)/deps.sh lint

# --- run -------------------------------------------------------------------------------------------------------
demo: deps $(if $(filter real,$(KAFKA)),deps-test) ## 20,000 events, two SIGKILLs, nothing lost or doubled (KAFKA=real)
	$(BUILD) all $(if $(filter real,$(KAFKA)),$(B)/kafkactl)
	@bash examples/demo/demo.sh $(KAFKA)
bench: deps-test ## the figures of docs/PERFORMANCE.md
	$(BUILD) all test-plugins $(B)/kafkactl $(BENCHES)
	@bash bench/run.sh $(T)

# --- test ------------------------------------------------------------------------------------------------------
tests-unit: unit
unit: deps test-plugins $(UNIT) ## the unit tests (T=conf: only test_*conf*)
	@bash $(S)/unit.sh unit $(O) $(UNIT)
vectors: deps $(O)/test_vectors ## the CloudEvents vectors
	@bash $(S)/unit.sh vectors $(O) $(O)/test_vectors
integration: deps-test all $(P)/weir-test test-plugins $(B)/kafkactl ## on Apache Kafka and PostgreSQL (T=t3: only tests/integration/t3*)
	@bash tests/integration/run.sh $(T)
unit-build: test-plugins $(UNIT)
tests-build: test-plugins $(TESTS) $(FUZZ) $(if $(SAN),,$(O)/simulate)
corpora: deps $(FUZZ) ## every input that a fuzzer found once, and mutants of it (FUZZ_MUTANTS=20 FUZZ_SEED=1)
	@bash tests/fuzz/run.sh corpora $(O) $(FUZZ:$(O)/fuzz_%=%)
fuzz: deps-lint ## libFuzzer, each target for FUZZ_SECONDS=60 (T=json: only that)
	$(BUILD) B=$(B)/clang CC=$(CLANG) VARIANT=fuzz fuzz-build
	@bash tests/fuzz/run.sh fuzz $(B)/clang/obj/fuzz $(FUZZ:$(O)/fuzz_%=%)
fuzz-build: $(FUZZ)
checker: ## the checker of the chaos runs must refuse doctored evidence
	@mkdir -p $(B) && PYTHONPYCACHEPREFIX=$(B)/pycache python3 tests/chaos/checker_test.py $(B)/summary
chaos: deps-test all $(P)/weir-test test-plugins $(B)/kafkactl $(B)/clockshift.so ## faults by seed, and a checker that shares no code: SEED= EVENTS= FAULTS= LIST=1 MORE=
	@PYTHONPYCACHEPREFIX=$(B)/pycache python3 tests/chaos/driver.py $(addprefix --seed=,$(SEED)) $(addprefix --events=,$(EVENTS)) \
	        $(addprefix --faults=,$(FAULTS)) $(if $(LIST),--list) $(MORE)
chaos-slice: deps-test all $(P)/weir-test test-plugins $(B)/kafkactl $(B)/clockshift.so
	@PYTHONPYCACHEPREFIX=$(B)/pycache bash tests/chaos/slice.sh
torture: deps test-plugins ## each call of weir's that may fail does, in every unit test (T=pool, TORTURE_PLACES=, TORTURE_EVERY=, TORTURE_MS=)
	$(BUILD) VARIANT=asan torture-build
	@bash tests/torture/run.sh torture $(B)/obj/asan $(TORTURED:$(O)/%=$(B)/obj/asan/%)
torture-build: test-plugins $(TORTURED)
SLICE := $(patsubst %,$(O)/torture/test_%,batch blot conf decode encode json option pool)
torture-slice: deps test-plugins $(SLICE) ## a few of them, some places each, by a fixed seed and a new one
	@TORTURE_PLACES=$(or $(TORTURE_PLACES),3) bash tests/torture/run.sh torture-slice $(O) $(SLICE)
simulation: deps $(O)/simulate ## lib/flow against models of Kafka and PostgreSQL (SEEDS=10000, and some new ones)
	@bash $(S)/simulation.sh $(O)/simulate
simulate: deps $(O)/simulate ## the same for a million seeds (FROM=0 COUNT=1000000)
	@$(O)/simulate --from $(or $(FROM),0) --count $(or $(COUNT),1000000) --progress
RUNNERS := unit vectors corpora torture-slice simulation mutants-slice checker chaos-slice integration
test: ## all runners, with their set-up; closes with a line per runner
	@$(MAKE) --no-print-directory deps-test
	$(BUILD) all $(P)/weir-test tests-build $(SLICE) $(B)/kafkactl $(B)/clockshift.so
	@rm -f $(B)/summary; s=0; \
	for r in $(RUNNERS); do $(MAKE) --no-print-directory $$r || s=1; done; \
	sh $(S)/summary.sh $(B)/summary $(words $(RUNNERS)) && exit $$s
mutants: deps-test ## deliberate bugs, each of which a harness must catch (T=name; MUTANTS=3: by lot)
	@bash tests/mutants/run.sh $(T)
mutants-slice: deps test-plugins $(O)/simulate ## four of them by lot
	@MUTANTS=4 bash tests/mutants/run.sh
asan: ## unit tests, vectors and corpora under AddressSanitizer + UBSan
	$(BUILD) VARIANT=$@ tests-build
	@$(MAKE) --no-print-directory -k -j2 VARIANT=$@ unit vectors corpora
tsan: ## unit tests under ThreadSanitizer; vectors and corpora have one thread
	$(BUILD) VARIANT=$@ unit-build
	@$(MAKE) --no-print-directory VARIANT=$@ unit

# --- check -----------------------------------------------------------------------------------------------------
clang: deps-lint ## everything once more with clang
	$(BUILD) B=$(B)/clang CC=$(CLANG) all tests-build
layers: ## no include points up; each foreign library in its one folder
	@sh tests/layers.sh . && bash tests/layers-test.sh
headers: deps ## each header stands alone; the public ones as C11 and C++17
	@bash $(S)/headers.sh
format: deps-lint ## clang-format over everything
	@$(CLANG:clang%=clang-format%) -i $(C_FILES)
format-check: deps-lint
	@$(CLANG:clang%=clang-format%) --dry-run -Werror $(C_FILES) && echo "format: $(words $(C_FILES)) files keep it"
# of a function so many states are followed: the default, 225,000, takes three times as long
PATHS := -Xclang -analyzer-config -Xclang max-nodes=60000
TIDY := $(patsubst %.c,$(B)/lint/%.ok,$(wildcard lib/*/*.c lib/*.c cmd/*.c workers/*/*.c))
$(B)/lint/%.ok: %.c .clang-tidy $(S)/lint.h $(wildcard lib/*/*.h include/weir/*.h cmd/*.h)
	@mkdir -p $(@D)
	@$(CLANG:clang%=clang-tidy%) --quiet $< -- -std=gnu17 $(INCLUDES) -include $(S)/lint.h $(PATHS) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@
lint: deps-lint ## clang-tidy and shellcheck
	@$(MAKE) --no-print-directory -k -j2 tidy
	@printf '%s\0' $(SCRIPTS) | xargs -0 -n 20 -P 2 shellcheck -x && echo "lint: $(words $(TIDY)) sources, $(words $(SCRIPTS)) scripts, nothing found"
tidy: $(TIDY)
hardening: all ## PIE, RELRO, BIND_NOW, canaries, FORTIFY, CET in what is shipped
	@bash $(S)/hardening.sh $(P)/weir $(P)/libweir.so.0 $(PLUGINS)
service: deps-lint $(P)/weir ## config/weir@.service, by systemd-analyze
	@bash tests/service.sh $(P)/weir
docs-sync: $(P)/weir ## generated documents equal their source; what documents name exists
	@$(P)/weir config reference | diff -u config/reference.cfg - >&2
	@$(P)/weir config markdown | diff -u docs/CONFIGURATION.md - >&2
	@sh docs/man.sh $(P)/weir | diff -u docs/weir.1 - >&2
	@echo "docs-sync: config/reference.cfg, docs/CONFIGURATION.md and docs/weir.1 equal what weir says"
	@bash tests/docs.sh . && bash tests/docs-test.sh
check: deps-test format-check layers headers lint clang hardening service docs-sync asan tsan test ## all that CI runs

install: all ## PREFIX=/usr/local DESTDIR=
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/weir/plugins lib/systemd/system include/weir share/weir/migrations share/man/man1)
	install -m 755 $(B)/weir $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(B)/libweir.so.0 $(DESTDIR)$(PREFIX)/lib/
	ln -sf libweir.so.0 $(DESTDIR)$(PREFIX)/lib/libweir.so
	install -m 644 $(B)/libweir.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/weir/*.h $(DESTDIR)$(PREFIX)/include/weir/
	install -m 644 migrations/*.sql $(DESTDIR)$(PREFIX)/share/weir/migrations/
	install -m 755 $(PLUGINS) $(DESTDIR)$(PREFIX)/lib/weir/plugins/
	for d in $(B)/plugins/*.migrations; do [ ! -d $$d ] || cp -R $$d $(DESTDIR)$(PREFIX)/lib/weir/plugins/; done
	install -m 644 config/reference.cfg $(DESTDIR)$(PREFIX)/share/weir/
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' config/weir@.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/weir@.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/weir@.service
	install -m 644 docs/weir.1 $(DESTDIR)$(PREFIX)/share/man/man1/
clean: ## remove $(B)
	rm -rf $(B)
.PHONY: all plugins test-plugins help deps deps-test deps-lint demo bench unit tests-unit vectors corpora fuzz fuzz-build torture torture-build torture-slice checker \
	chaos chaos-slice simulation simulate integration test mutants mutants-slice asan \
	tsan clang unit-build tests-build layers headers format format-check lint tidy hardening service docs-sync check install clean
.DELETE_ON_ERROR:
.SECONDARY:
