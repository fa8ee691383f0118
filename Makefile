# weir - build, test, demo; `make help` lists the targets
B       ?= build
VARIANT ?= release
CC      ?= gcc
O       := $(B)/obj/$(VARIANT)

WARN  := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla -Werror
HARD  := -fstack-protector-strong -fstack-clash-protection -fPIC -fvisibility=hidden
FLAGS_release := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CPPFLAGS += -D_GNU_SOURCE -Ilib -Iinclude -Icmd -I/usr/include/postgresql
CFLAGS   += -std=gnu17 $(WARN) $(HARD) $(FLAGS_$(VARIANT))
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(filter -fsanitize%,$(FLAGS_$(VARIANT)))
LIBS     := -lrdkafka -lcjson -lconfig -lpq -lcrypto -lpthread -ldl

LIB_SRC  := $(wildcard lib/*/*.c lib/*.c)
CMD_SRC  := $(wildcard cmd/*.c)
TEST_SRC := $(wildcard tests/unit/test_*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(O)/%.o)
CMD_OBJ  := $(CMD_SRC:%.c=$(O)/%.o)
TESTS    := $(TEST_SRC:tests/unit/%.c=$(O)/%)

all: $(B)/weir
$(B)/weir: $(CMD_OBJ) $(O)/libweir.a
	$(CC) $(LDFLAGS) -o $@ $(CMD_OBJ) $(O)/libweir.a $(LIBS)
$(O)/libweir.a: $(LIB_OBJ)
	rm -f $@; ar rcs $@ $^
$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(O)/test_%: tests/unit/test_%.c $(O)/libweir.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(O)/libweir.a -lcheck -lsubunit -lm -lrt $(LIBS)
tests-unit: $(TESTS)
	@for t in $(TESTS); do $$t || exit 1; done
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.PHONY: all tests-unit
