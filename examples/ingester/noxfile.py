import noxlib

noxlib.register()
