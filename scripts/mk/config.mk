# Compiler, flags and libraries.
CC  ?= cc
AR  ?= ar
PKG_CONFIG ?= pkg-config
Q := $(if $(V),,@)
say = @printf '  %-7s %s\n' '$(1)' '$(2)'$(if $(V), >/dev/null)

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wundef -Wformat=2 -Wvla -Wno-unused-parameter
BASE_FLAGS := -std=gnu11 -fPIC -fvisibility=hidden -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
              -fstack-protector-strong $(WARNINGS) $(if $(DEV),-Werror)
INCLUDES := -Ilib -Ilib/include -I.

# A sanitized build cannot be static, and must not be fortified twice.
ifdef SAN
SAN_FLAGS  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
BASE_FLAGS += $(SAN_FLAGS)
# Of the front the tests start thousands: with the sanitizers inside it starts a fifth faster, and with the search for
# leaks a third. Clang does that by itself.
FRONT_LINK := $(SAN_FLAGS) $(if $(findstring clang,$(CC)),,-static-libasan -static-libubsan)
else
BASE_FLAGS += $(if $(findstring -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
FRONT_LINK := -static
# The front is made with musl, where its compiler is: before main() glibc asks the processor for its caches, instruction
# by instruction, each of which a virtual machine has to answer in the place of it. That is two thirds of the time that a
# program which does nothing takes. The kernel's headers are glibc's, or rather Debian's.
# A compiler for another machine than musl's makes the front, too.
MUSL_CC  ?= musl-gcc
HAS_MUSL := $(shell for_machine() { "$$@" -dumpmachine 2>/dev/null | cut -d- -f1; }; \
    [ "$$(for_machine $(MUSL_CC))" = "$$(for_machine $(CC))" ] && echo yes)
endif
ifneq ($(HAS_MUSL),)
FRONT_CC := $(if $(findstring ccache,$(CC)),ccache )$(MUSL_CC)
MULTIARCH := $(shell $(CC) -print-multiarch)
FRONT_FLAGS := $(filter-out -fPIC,$(BASE_FLAGS)) -fno-pie -idirafter /usr/include -idirafter /usr/include/$(MULTIARCH)
# musl's memcpy is one instruction there, which takes long to begin; what the front copies is short.
ifneq ($(filter x86_64-%,$(MULTIARCH)),)
FRONT_FLAGS += -minline-stringops-dynamically -mmemcpy-strategy=unrolled_loop:128:noalign,libcall:-1:noalign
endif
FRONT_LINK := -static -no-pie
else
FRONT_CC := $(CC)
FRONT_FLAGS := $(BASE_FLAGS)
endif
LINK_FLAGS := $(SAN_FLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed

BUILD_LIBS := $(shell $(PKG_CONFIG) --libs libdw libelf libcjson libcrypto uuid) -lm
GIT_LIBS   := $(shell $(PKG_CONFIG) --libs libgit2) -lpthread
# From its archive: the worker loads nothing but libc.
STATIC_CRYPTO := -l:libcrypto.a
