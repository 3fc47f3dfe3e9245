# The images that run under a real FreeRTOS on QEMU's boards; included where FREERTOS_KERNEL says where its sources are.
# The kernel is compiled by gcc, for the Cortex-M4 or (as its authors would have it) the M7; port, core and images by either.

FREERTOS_IMAGES := conformance_freertos kernel_freertos sensors_freertos
FREERTOS_PORT_gcc   := portable/GCC/ARM_CM4F
FREERTOS_PORT_clang := portable/GCC/ARM_CM7/r0p1
FREERTOS_KERNEL_SOURCES := tasks.c list.c

conformance_freertos_SOURCES := $(HERE)/tests/conformance_freertos.c $(SUITE)
conformance_freertos_FLAGS   := -DSUITE_DIVIDE=32
kernel_freertos_SOURCES := $(HERE)/tests/kernel.c
kernel_freertos_LIBRARY := corestate_alone
sensors_freertos_SOURCES := $(HERE)/examples/freertos/main.c $(HERE)/examples/sensors.c $(HERE)/mps2/uart.c
sensors_freertos_FLAGS := -I$(HERE)/examples
sensors_freertos_LIBRARY := corestate_alone

# $1 toolchain
define FREERTOS
FREERTOS_INCLUDES_$1 := -I$(HERE)/freertos -isystem $$(FREERTOS_KERNEL)/include -isystem $$(FREERTOS_KERNEL)/$$(FREERTOS_PORT_$1)

$(OUT)/$1/freertos/kernel.a: $$(addprefix $$(FREERTOS_KERNEL)/,$$(FREERTOS_KERNEL_SOURCES) $$(FREERTOS_PORT_$1)/port.c) \
                             $(HERE)/freertos/FreeRTOSConfig.h $(HERE)/freertos/rules.mk
	@mkdir -p $$(dir $$@)
	@rm -f $$@
	@cd $$(dir $$@) && $(GCC) $(CPU) -Os -ffunction-sections -fdata-sections -w $$(FREERTOS_INCLUDES_$1) \
	    -c $$(filter %.c,$$^) && $(AR_gcc) rcs $$@ $$(notdir $$(patsubst %.c,%.o,$$(filter %.c,$$^)))

$(OUT)/$1/freertos/%.o: $(ROOT)/csrc/port/%.c $$(HEADERS) $(HERE)/freertos/FreeRTOSConfig.h $(HERE)/Makefile
	@mkdir -p $$(dir $$@)
	@$$(CC_$1) $$(CFLAGS_CORE) $$(INCLUDES) $$(FREERTOS_INCLUDES_$1) -c $$< -o $$@

$(OUT)/$1/freertos/%.o: $(HERE)/freertos/%.c $$(HEADERS) $(HERE)/Makefile
	@mkdir -p $$(dir $$@)
	@$$(CC_$1) $$(CFLAGS_CORE) $$(IMAGE_INCLUDES) $$(FREERTOS_INCLUDES_$1) -c $$< -o $$@
endef
$(foreach t,$(TOOLCHAINS),$(eval $(call FREERTOS,$t)))

# $1 toolchain, $2 image. The port to FreeRTOS comes before the library, whose port to the bare processor is then not asked.
define FREERTOS_IMAGE
$2_FLAGS_$1 := $$(FREERTOS_INCLUDES_$1)
$(OUT)/$1/$2.elf: $$(foreach s,$$($2_SOURCES),$(OUT)/$1/$2/$$(notdir $$(basename $$s)).o) $(OUT)/$1/freertos/freertos.o \
                  $(OUT)/$1/freertos/mps2.o $$(foreach s,$$(BOARD),$$(call object,$1,$$s)) \
                  $(OUT)/$1/freertos/kernel.a $$(call library,$1,$2) $$(HERE)/mps2/mps2.ld
	@$$(call link_$1,$2,$$(basename $$@).map) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $$(LIBGCC)
$(foreach s,$($2_SOURCES),$(eval $(call IMAGE_OBJECT,$1,$2,$s)))
endef
$(foreach t,$(TOOLCHAINS),$(foreach i,$(FREERTOS_IMAGES),$(eval $(call FREERTOS_IMAGE,$t,$i))))

freertos: $(foreach t,$(TOOLCHAINS),$(foreach i,$(FREERTOS_IMAGES),$(OUT)/$t/$i.elf))
