# What is done here, each with all the set-up it needs: `make demo` on a fresh machine, `make test` before a change is sent.

CARGO ?= cargo
PREFIX ?= /usr/local
# Where rustup puts cargo, for shells that were open before.
export PATH := $(PATH):$(HOME)/.cargo/bin
BUILT = $(or $(CARGO_TARGET_DIR),target)/release/stp-audit

.PHONY: help demo test bench man fixtures install deb

help:
	@echo 'make demo      build, and run stp-audit infer on a capture that comes with it'
	@echo 'make test      all tests'
	@echo 'make bench     every script of benches/: speed and memory of stp-audit beside its peers; half an hour and more'
	@echo 'make man       render man/ anew from the command line'
	@echo 'make fixtures  make fixtures/ anew from its recipe, tests/recipe'
	@echo 'make deb       a Debian package, in target/debian'
	@echo 'make install   program, man pages and completions under PREFIX ($(PREFIX))'

demo:
	@.ci/setup gcc libpcap-dev
	$(CARGO) build --release --locked
	$(CARGO) run --release --locked --quiet -- infer fixtures/evening-wan.pcapng

# Examples in the documentation first: what is printed last is what the tests came to.
test:
	@.ci/setup gcc libpcap-dev -- tshark strace iproute2 nftables
	$(CARGO) test --locked --doc
	$(CARGO) test --locked --lib --bins --examples --tests

bench:
	set -e; for script in benches/*.sh; do echo; echo "$$script"; $$script; done

man:
	@.ci/setup gcc libpcap-dev
	$(CARGO) build --locked
	rm -f man/*.1
	$(CARGO) run --locked --quiet -- man --out man

fixtures:
	@.ci/setup gcc libpcap-dev
	UPDATE_FIXTURES=1 $(CARGO) test --locked --test fixtures every_file
	UPDATE_FIXTURES=1 $(CARGO) test --locked --test picture

# Built before, where it is root who installs and has no cargo.
install:
	@if command -v $(CARGO) >/dev/null; then .ci/setup gcc libpcap-dev && $(CARGO) build --release --locked; fi
	install -D -m 755 $(BUILT) $(DESTDIR)$(PREFIX)/bin/stp-audit
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	for at in bash:bash-completion/completions/stp-audit zsh:zsh/site-functions/_stp-audit \
	          fish:fish/vendor_completions.d/stp-audit.fish; do \
	    $(BUILT) completions $${at%%:*} | install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/share/$${at#*:} || exit; \
	done

# cargo-deb is kept apart from what the user has installed; it reads the list in Cargo.toml.
deb: export PATH := $(PATH):$(CURDIR)/target/tools/bin
deb:
	@.ci/setup gcc libpcap-dev
	$(CARGO) deb --version >/dev/null 2>&1 || $(CARGO) install --locked --root target/tools cargo-deb@3.8.0
	$(CARGO) build --release --locked
	packaging/completions $(BUILT) target/packaging
	$(CARGO) deb --no-build --locked --output target/debian/
